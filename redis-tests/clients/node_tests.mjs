// What the programs of both Node.js clients share: options, one line per test, comparisons.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';

export const allBytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
export const pipelineLength = 10_000;

export function readOptions() {
  const { values } = parseArgs({
    options: {
      host: { type: 'string' },
      port: { type: 'string' },
      password: { type: 'string' },
      'large-bytes': { type: 'string' },
    },
  });
  return {
    host: values.host,
    port: Number(values.port),
    password: values.password,
    largeBytes: Number(values['large-bytes']),
  };
}

export function largeValue(options) {
  return Buffer.alloc(options.largeBytes, allBytes);
}

export function sha256(buffer) {
  return createHash('sha256').update(buffer).digest('hex');
}

/** Resolves with the arguments of the next `name` event; rejects when it does not come. */
export function nextEvent(emitter, name) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name} event in 10 s`)), 10_000);
    emitter.once(name, (...values) => {
      clearTimeout(timer);
      resolve(values);
    });
  });
}

/** Collects what arrives, and waits for a number of it. */
export class Inbox {
  #items = [];
  #wake = () => {};

  add(...item) {
    this.#items.push(item);
    this.#wake();
  }

  async take(count) {
    const deadline = Date.now() + 10_000;
    while (this.#items.length < count) {
      const left = deadline - Date.now();
      assert.ok(left > 0, `${this.#items.length} messages of ${count} arrived`);
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.#items.splice(0, count);
  }
}

/** Runs each test on an empty server and prints its line. */
export async function runAll(tests, flush) {
  for (const [name, test] of Object.entries(tests)) {
    try {
      await flush();
      await test();
      console.log(`ok ${name}`);
    } catch (error) {
      console.log(`FAILED ${name}`);
      for (const line of String(error.stack).split('\n').slice(0, 5)) console.log(`  ${line}`);
    }
  }
  console.log('done');
  process.exit(0);
}
