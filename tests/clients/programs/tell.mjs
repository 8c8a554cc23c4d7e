/** What a test asks of a program, and what the program tells it: a line of JSON each. */

export const asked = JSON.parse(process.argv[2]);

export function tell(said) {
  process.stdout.write(`${JSON.stringify(said)}\n`);
}
