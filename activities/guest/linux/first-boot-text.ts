/** Where the scripts of the first boot and what runs them lie until it is over. */
export const firstBootDir = '/var/lib/longhaul/firstboot';
const firstBootLog = '/var/log/longhaul-firstboot.log';
const firstBootService = 'longhaul-firstboot';

const unit = `/etc/systemd/system/${firstBootService}.service`;
const initScript = `/etc/init.d/${firstBootService}`;
const runLevels = [2, 3, 4, 5];

export type InitSystem = 'systemd' | 'sysv' | 'openrc';

/**
 * Runs what lies in scripts/, by name. A script is put aside before it runs: one that starts the system anew
 * is not run again. At the end everything goes but the log.
 */
export const runner = `#!/bin/sh
# Runs the scripts that came with the migration of this system, once each, and then removes itself.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
home=${firstBootDir}
log=${firstBootLog}
console=/dev/console
(: >"$console") 2>/dev/null || console=/dev/null
# The kernel's last console is /dev/console: mostly the screen, and the serial port is what is recorded.
serial=/dev/ttyS0
case $(cat /sys/class/tty/console/active 2>/dev/null) in *ttyS0) serial=/dev/null ;; esac
(: >"$serial") 2>/dev/null || serial=/dev/null
(umask 077; : >>"$log")
say() { echo "longhaul: $*" | tee -a "$log" "$serial" >"$console"; }
cd "$home" || exit 0
rm -rf running
mkdir running || exit 1
for script in scripts/*; do
  [ -f "$script" ] || continue
  name=\${script##*/}
  mv "$script" "running/$name" || continue
  sync
  say "$name begins"
  { "./running/$name" </dev/null 2>&1; echo $? >running/.status; } | tee -a "$log" "$serial" >"$console"
  say "$name ended with $(cat running/.status)"
  rm -f "running/$name"
done
rm -f ${unit} /etc/systemd/system/multi-user.target.wants/${firstBootService}.service
rm -f ${initScript} /etc/rc[0-6].d/S99${firstBootService} /etc/runlevels/default/${firstBootService}
cd /
rm -rf "$home"
rmdir /var/lib/longhaul 2>/dev/null
sync
say 'the first boot is over'
exit 0
`;

/** systemd.service(5). The shell is named: what lies in /var has no label that systemd may execute. */
const unitText = `[Unit]
Description=First boot after the migration
ConditionPathExists=${firstBootDir}/run
After=local-fs.target network.target

[Service]
Type=oneshot
ExecStart=/bin/sh ${firstBootDir}/run

[Install]
WantedBy=multi-user.target
`;

const sysvText = `#!/bin/sh
### BEGIN INIT INFO
# Provides:          ${firstBootService}
# Required-Start:    $local_fs $network
# Required-Stop:
# Default-Start:     2 3 4 5
# Default-Stop:
# Short-Description: First boot after the migration
### END INIT INFO
[ "$1" = start ] || exit 0
exec /bin/sh ${firstBootDir}/run
`;

const openrcText = `#!/sbin/openrc-run
description="First boot after the migration"
depend() { after localmount net; }
start() { /bin/sh ${firstBootDir}/run; }
`;

export interface InitPiece {
  path: string;
  /** Text of a file that is executed when it is a script, or the target of a link. */
  text?: string;
  link?: string;
}

/** What starts the runner at the next boot. */
export function initPieces(init: InitSystem): InitPiece[] {
  switch (init) {
    case 'systemd':
      return [
        { path: unit, text: unitText },
        { path: `/etc/systemd/system/multi-user.target.wants/${firstBootService}.service`, link: unit },
      ];
    case 'sysv':
      return [
        { path: initScript, text: sysvText },
        ...runLevels.map((level) => ({
          path: `/etc/rc${level}.d/S99${firstBootService}`,
          link: `../init.d/${firstBootService}`,
        })),
      ];
    case 'openrc':
      return [
        { path: initScript, text: openrcText },
        { path: `/etc/runlevels/default/${firstBootService}`, link: initScript },
      ];
  }
}

/** `0001-join-domain.sh`: the order, and of the name what is safe in a shell and on a screen. */
export function scriptName(position: number, hostPath: string): string {
  const base = hostPath.slice(hostPath.lastIndexOf('/') + 1).replace(/[^A-Za-z0-9._-]/g, '_');
  return `${String(position).padStart(4, '0')}-${base.slice(0, 100)}`;
}
