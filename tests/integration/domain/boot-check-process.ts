/** Runs one boot check in a process of its own, to be killed. Input as JSON in the first argument. */
import { verifyBoot } from '../../../activities/domain/boot-check/verify-boot.ts';

const [ctx, domain, disks, host] = JSON.parse(process.argv[2] ?? '[]') as [
  Parameters<typeof verifyBoot>[0],
  Parameters<typeof verifyBoot>[1],
  Parameters<typeof verifyBoot>[2],
  Parameters<typeof verifyBoot>[3]['host'],
];
const quiet = () => undefined;
await verifyBoot(
  ctx,
  domain,
  disks,
  { host },
  {
    signal: new AbortController().signal,
    report: quiet,
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  },
);
