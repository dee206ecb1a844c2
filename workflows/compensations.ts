import { CancellationScope } from '@temporalio/workflow';
import { stepFailureOf } from './failures.ts';

/** What must be undone if the migration does not succeed, registered before each thing is made. */
export class Compensations {
  private readonly undos: { name: string; undo: () => Promise<void> }[] = [];

  /** Registers an undo. It must succeed when there is nothing to undo. */
  add(name: string, undo: () => Promise<void>): void {
    this.undos.push({ name, undo });
  }

  /** What was registered is undone by somebody else. */
  forget(): void {
    this.undos.length = 0;
  }

  /** Undoes everything, the latest first, whether or not the workflow was cancelled. Gives what failed. */
  async run(): Promise<string[]> {
    const failed: string[] = [];
    await CancellationScope.nonCancellable(async () => {
      for (const { name, undo } of this.undos.reverse()) {
        try {
          await undo();
        } catch (error) {
          // The others must still run; the host's janitor removes what is left when its worker starts.
          failed.push(`${name}: ${stepFailureOf(error).message}`);
        }
      }
    });
    return failed;
  }
}
