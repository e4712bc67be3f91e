// node-redis (the npm package `redis`), in RESP2 and RESP3. Started by client_programs.py.

import assert from 'node:assert/strict';
import { createClient, RESP_TYPES } from 'redis';
import {
  allBytes,
  Inbox,
  largeValue,
  nextEvent,
  pipelineLength,
  readOptions,
  runAll,
  sha256,
} from './node_tests.mjs';

const options = readOptions();
const asBuffers = { [RESP_TYPES.BLOB_STRING]: Buffer };

async function connect(more = {}) {
  const client = createClient({
    socket: { host: options.host, port: options.port, reconnectStrategy: () => 10 },
    password: options.password,
    ...more,
  });
  client.on('error', () => {});
  await client.connect();
  return client;
}

function testsOf(client, protocol) {
  const open = (more = {}) => connect({ RESP: protocol, ...more });
  return {
    async commands() {
      assert.equal(await client.ping(), 'PONG');
      assert.equal(await client.set('k', 'v'), 'OK');
      assert.equal(await client.get('k'), 'v');
      assert.equal(await client.get('absent'), null);
      assert.equal(await client.set('k', 'w', { NX: true }), null);
      assert.equal(await client.set('k', 'w', { EX: 100, GET: true }), 'v');
      assert.ok([99, 100].includes(await client.ttl('k')));
      assert.equal(await client.mSet({ a: '1', b: '2' }), 'OK');
      assert.deepEqual(await client.mGet(['a', 'b', 'absent']), ['1', '2', null]);
      assert.equal(await client.incrBy('a', 41), 42);
      assert.equal(await client.incrByFloat('a', 0.5), '42.5');
      assert.equal(await client.append('k', 'xyz'), 4);
      assert.equal(await client.getRange('k', 1, 2), 'xy');
      assert.equal(await client.exists(['k', 'a', 'absent']), 2);
      assert.equal(await client.del(['k', 'absent']), 1);
      assert.deepEqual({ ...(await client.configGet('databases')) }, { databases: '16' });
      assert.match(await client.info('server'), /redis_mode:standalone/);
      assert.deepEqual(await client.lcsLen('a', 'b'), 1);
    },

    async 'scan-iterator'() {
      const names = Array.from({ length: 1000 }, (_, number) => `key:${number}`);
      await client.mSet(names.map((name) => [name, '1']));
      const found = new Set();
      for await (const page of client.scanIterator({ COUNT: 37 })) {
        page.forEach((name) => found.add(name));
      }
      assert.deepEqual([...found].sort(), names.sort());
    },

    async errors() {
      await client.set('k', 'abc');
      await assert.rejects(client.incr('k'), /ERR value is not an integer or out of range/);
      await assert.rejects(client.sendCommand(['NOSUCH', 'a']), /ERR unknown command 'NOSUCH'/);
      assert.equal(await client.get('k'), 'abc');
    },

    async pipeline() {
      const pending = [];
      for (let number = 0; number < pipelineLength; number++) {
        pending.push(client.set(`key:${number}`, String(number)), client.get(`key:${number}`));
      }
      const replies = await Promise.all(pending);
      replies.forEach((reply, place) => {
        assert.equal(reply, place % 2 ? String((place - 1) / 2) : 'OK');
      });
    },

    async transaction() {
      const queue = client.multi().set('n', '1').incr('n').get('n').mGet(['n', 'absent']);
      assert.deepEqual(await queue.exec(), ['OK', 2, '2', ['2', null]]);
      const mixed = client.multi().set('w', 'x').incr('w').get('w');
      await assert.rejects(mixed.exec(), (error) => {
        assert.match(String(error.replies[1]), /not an integer/);
        assert.equal(error.replies[2], 'x');
        return true;
      });
    },

    async watch() {
      const other = await open();
      await client.set('n', '1');
      await client.watch('n');
      await other.set('n', '5');
      await assert.rejects(client.multi().set('n', '2').exec(), /watched keys/i);
      await client.watch('n');
      assert.deepEqual(await client.multi().incr('n').exec(), [6]);
      await other.close();
    },

    async 'publish-subscribe'() {
      const subscriber = await open();
      const inbox = new Inbox();
      await subscriber.subscribe('news', (data, channel) => inbox.add(channel, data), true);
      await subscriber.pSubscribe('n*', (data, channel) => inbox.add(channel, data), true);
      assert.equal(await client.publish('news', allBytes), 2);
      for (const [channel, data] of await inbox.take(2)) {
        assert.equal(String(channel), 'news');
        assert.deepEqual(data, allBytes);
      }
      await subscriber.unsubscribe('news');
      await subscriber.pUnsubscribe('n*');
      assert.equal(await subscriber.get('absent'), null);
      await subscriber.close();
    },

    async 'binary-values'() {
      const binary = client.withTypeMapping(asBuffers);
      await binary.set(allBytes, Buffer.concat([allBytes, allBytes]));
      assert.deepEqual(await binary.get(allBytes), Buffer.concat([allBytes, allBytes]));
      assert.deepEqual(await binary.keys('*'), [allBytes]);
      assert.equal(await binary.append(allBytes, Buffer.from([0])), 513);
    },

    async 'large-value'() {
      const value = largeValue(options);
      await client.set('large', value);
      assert.equal(await client.strLen('large'), value.length);
      assert.equal(sha256(await client.withTypeMapping(asBuffers).get('large')), sha256(value));
    },

    async 'reconnect-after-kill'() {
      const victim = await open({ database: 3, name: 'victim' });
      await victim.set('k', 'v');
      const id = await victim.clientId();
      const ready = nextEvent(victim, 'ready');
      assert.equal(await client.sendCommand(['CLIENT', 'KILL', 'ID', String(id)]), 1);
      await ready;
      assert.equal(await victim.get('k'), 'v');
      assert.notEqual(await victim.clientId(), id);
      assert.equal(await victim.clientGetName(), 'victim');
      await victim.close();
    },
  };
}

const tests = {};
let control;
for (const protocol of [2, 3]) {
  control = await connect({ RESP: protocol });
  for (const [name, test] of Object.entries(testsOf(control, protocol))) {
    tests[`${name}-resp${protocol}`] = test;
  }
}
await runAll(tests, () => control.flushAll());
