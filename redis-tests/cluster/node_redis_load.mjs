// node-redis counts at one node. It connects again by itself; what a lost connection left
// unanswered, and what a server that is starting refuses, it gives back to the program, which asks
// again. Started by rolling_restart_test.py.

import { createClient, SocketClosedUnexpectedlyError } from 'redis';
import { count, readOptions } from './load.mjs';

const { port, key } = readOptions();
const client = createClient({ socket: { host: '127.0.0.1', port, reconnectStrategy: () => 20 } });
client.on('error', () => {});
await client.connect();
await count(
  () => client.incr(key),
  (error) =>
    error instanceof SocketClosedUnexpectedlyError || error.message.startsWith('LOADING '),
);
