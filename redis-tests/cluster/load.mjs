// What both Node.js loads share: INCR, one after the other, for as long as the input is open.

import { parseArgs } from 'node:util';

export function readOptions() {
  const { values } = parseArgs({ options: { port: { type: 'string' }, key: { type: 'string' } } });
  return { port: Number(values.port), key: values.key };
}

/** `mayRepeat`: of an error, whether the program is to ask again, as the library does not. */
export async function count(increment, mayRepeat = () => false) {
  let open = true;
  process.stdin.on('end', () => (open = false)).resume();
  let answered = 0;
  let repeated = 0;
  const errors = [];
  while (open) {
    try {
      await increment();
      answered++;
    } catch (error) {
      if (mayRepeat(error)) {
        repeated++;
      } else {
        errors.push(String(error));
      }
    }
  }
  console.log(JSON.stringify({ answered, errors, repeated }));
  process.exit(0);
}
