/** Builds guests for tests, demo and benchmarks: node tests/guests/build.ts [NAME...] */
import { aboutGuest, guestDisks, guestNames, type GuestName } from './guests.ts';

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(guestNames as string[]).includes(name));
if (unknown.length > 0) {
  console.error(`No guest is called ${unknown.join(', ')}. There are: ${guestNames.join(', ')}.`);
  process.exit(2);
}

for (const name of wanted.length > 0 ? (wanted as GuestName[]) : guestNames) {
  const startedAt = performance.now();
  const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${name}: ${aboutGuest(name)}`);
  const disks = await guestDisks(name, 'raw', (line) => {
    console.log(`${name}: ${line} (${seconds()} s)`);
  });
  console.log(`${name}: ready after ${seconds()} s\n  ${disks.join('\n  ')}`);
}
