/** Named checks of a script: each is printed, and counted in the last line and the exit code. */
let passed = 0;
let failed = 0;

/** Runs a check; one that throws has failed, and what a command of its printed is shown. */
export async function check(name, body) {
  try {
    await body();
    passed++;
    console.log(`ok ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}\n${error.stdout ?? ""}${error.stderr ?? ""}${error.stack}`);
  }
}

/** Prints the counts, and sets the exit code. */
export function report() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}
