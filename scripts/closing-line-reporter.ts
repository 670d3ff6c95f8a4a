import type { Reporter, TestModule } from 'vitest/node'

/** Ends a run with one plain line (`N passed, N failed, N skipped`) that any CI can read. */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 }
    for (const module of modules) {
      let tests = 0
      for (const test of module.children.allTests()) {
        counts[test.result().state] += 1
        tests += 1
      }
      if (tests === 0 && !module.ok()) counts.failed += 1
    }
    console.log(
      `\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped + counts.pending} skipped`,
    )
  }
}
