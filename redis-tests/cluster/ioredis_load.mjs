// ioredis counts at one node; it sends again by itself what a lost connection left unanswered.
// Started by rolling_restart_test.py.

import Redis from 'ioredis';
import { count, readOptions } from './load.mjs';

const { port, key } = readOptions();
const client = new Redis({
  host: '127.0.0.1',
  port,
  retryStrategy: () => 20,
  maxRetriesPerRequest: null,
});
client.on('error', () => {});
await count(() => client.incr(key));
