import { writeFileSync } from 'node:fs';
import type { SerializedError } from 'vitest';
import type { Reporter, TestModule, Vitest } from 'vitest/node';
import { slowest, tally } from './tally.ts';

/**
 * Leaves the closing line of the run in the file that LONGHAUL_TALLY names. scripts/test.sh prints it, so that
 * it is the last line whatever else is said while vitest ends. Names the files that took the most of the time.
 */
export default class TallyReporter implements Reporter {
  private filtered = false;

  onInit(vitest: Vitest): void {
    this.filtered = vitest.config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const outcomes = modules.flatMap((module) =>
      [...module.children.allTests()].map((test) => test.result().state),
    );
    const broken = modules.flatMap((module) => [
      ...module.errors(),
      ...[...module.children.allSuites()].flatMap((suite) => suite.errors()),
    ]);
    const result = tally({ outcomes, errors: broken.length + unhandled.length, filtered: this.filtered });
    if (!result.ok) process.exitCode = 1;
    const times = modules.map((module) => ({
      file: module.relativeModuleId,
      seconds: Math.round(module.diagnostic().duration / 1000),
    }));
    const long = slowest(times);
    if (long !== '') console.info(long);
    const path = process.env['LONGHAUL_TALLY'];
    if (path !== undefined) writeFileSync(path, `${result.line}\n`);
  }
}
