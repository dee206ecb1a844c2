import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { ExitName } from '../exit-codes.ts';
import { follow, printOutcome } from '../follow.ts';
import type { LonghaulClient } from '../longhaul-client.ts';
import { jsonText } from '../output/text.ts';
import { runCommand, withClient, type CommandContext, type GlobalFlags } from './context.ts';
import { addSpecOptions, settingsOf } from './spec-options.ts';

interface MigrateFlags {
  wait?: boolean;
  again?: boolean;
  targetDir?: string;
}

export function addMigrate(program: Command, context: CommandContext): void {
  const command = program
    .command('migrate')
    .summary('start a migration')
    .description(
      'Starts the migration of one VM, from a spec file, from an archive such as an OVA, or from its disk images in the order the guest sees them. On a terminal it is followed until it ends; Ctrl-C detaches and the migration goes on.',
    )
    .argument(
      '<spec.yaml|archive|image...>',
      'one spec file (- for standard input), an archive (web01.ova), or the disk images of one VM',
    );
  addSpecOptions(command)
    .option('-w, --wait', 'follow it to its end (the default on a terminal)')
    .option('--no-wait', 'print its id and leave')
    .option('--again', 'start although this VM was migrated before')
    .option('--json', 'one JSON document: the id, or with --wait the report')
    .addHelpText(
      'after',
      `
Examples:
  longhaul migrate web01.yaml
  longhaul migrate web01.vmdk web01-data.vmdk --name web01 --target-dir /var/lib/libvirt/images
  longhaul migrate web01.ova --network 'VM Network=bridge:br0'
  longhaul migrate https://images.example/web01.qcow2
  longhaul migrate db.vhd --memory 8G --cpus 4 --network lan=bridge:br0 --mac 52:54:00:12:34:56@lan
  longhaul migrate web01.yaml --no-wait --json`,
    )
    .action((args: string[], _options: unknown, self: Command) =>
      runCommand(context, self, async () => {
        const flags = withAbsoluteTarget(self.optsWithGlobals<MigrateFlags & GlobalFlags>());
        const { specFromArguments } = await import('../spec-from-arguments.ts');
        const spec = await specFromArguments(args, await settingsOf(flags));
        return withClient(context, self, async (client) => {
          const id = await client.start(spec, { again: flags.again === true });
          const doubt = await client.hostDoubt(spec.target);
          if (doubt !== undefined) context.terminal.note(`It waits. ${doubt.found} ${doubt.remedy}`);
          const wait = flags.wait ?? (context.terminal.interactive && flags.json !== true);
          return wait
            ? await followStarted(client, id, context, flags.json === true)
            : started(context, id, flags.json === true);
        });
      }),
    );
}

/** A relative --target-dir counts from here, as any path on a command line does. */
export function withAbsoluteTarget<T extends { targetDir?: string }>(flags: T): T {
  return flags.targetDir === undefined ? flags : { ...flags, targetDir: resolve(flags.targetDir) };
}

function started({ terminal }: CommandContext, migrationId: string, json: boolean): ExitName {
  if (json) terminal.print(jsonText({ migrationId }));
  else {
    terminal.print(migrationId);
    terminal.note(`Started. Watch it with: longhaul status ${migrationId} --watch`);
  }
  return 'ok';
}

async function followStarted(
  client: LonghaulClient,
  migrationId: string,
  { terminal }: CommandContext,
  json: boolean,
): Promise<ExitName> {
  const { exit, view } = await follow(client, migrationId, terminal, { quiet: json });
  if (json)
    terminal.print(
      jsonText(exit === 'detached' ? { migrationId } : await reportOr(client, migrationId, view)),
    );
  else await printOutcome(client, view, terminal);
  return exit;
}

/** The report needs a worker when the migration did not complete; the view says the same in less. */
async function reportOr(client: LonghaulClient, migrationId: string, view: unknown): Promise<unknown> {
  try {
    return await client.report(migrationId);
  } catch {
    return view;
  }
}
