// ioredis. Started by client_programs.py.

import assert from 'node:assert/strict';
import Redis from 'ioredis';
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

function connect(more = {}) {
  const client = new Redis({
    host: options.host,
    port: options.port,
    password: options.password,
    retryStrategy: () => 10,
    ...more,
  });
  client.on('error', () => {});
  return client;
}

const client = connect();

const tests = {
  async commands() {
    assert.equal(await client.ping(), 'PONG');
    assert.equal(await client.set('k', 'v'), 'OK');
    assert.equal(await client.get('k'), 'v');
    assert.equal(await client.get('absent'), null);
    assert.equal(await client.set('k', 'w', 'NX'), null);
    assert.equal(await client.set('k', 'w', 'EX', 100, 'GET'), 'v');
    assert.ok([99, 100].includes(await client.ttl('k')));
    assert.equal(await client.mset({ a: 1, b: 2 }), 'OK');
    assert.deepEqual(await client.mget('a', 'b', 'absent'), ['1', '2', null]);
    assert.equal(await client.incrby('a', 41), 42);
    assert.equal(await client.incrbyfloat('a', 0.5), '42.5');
    assert.equal(await client.append('k', 'xyz'), 4);
    assert.equal(await client.getrange('k', 1, 2), 'xy');
    assert.equal(await client.exists('k', 'a', 'absent'), 2);
    assert.equal(await client.del('k', 'absent'), 1);
    assert.match(await client.info('server'), /redis_mode:standalone/);
  },

  async 'scan-iterator'() {
    const names = Array.from({ length: 1000 }, (_, number) => `key:${number}`);
    await client.mset(names.flatMap((name) => [name, '1']));
    const found = new Set();
    for await (const page of client.scanStream({ count: 37 })) {
      page.forEach((name) => found.add(name));
    }
    assert.deepEqual([...found].sort(), names.sort());
  },

  async errors() {
    await client.set('k', 'abc');
    await assert.rejects(client.incr('k'), /ERR value is not an integer or out of range/);
    await assert.rejects(client.call('NOSUCH', 'a'), /ERR unknown command 'NOSUCH'/);
    assert.equal(await client.get('k'), 'abc');
  },

  async pipeline() {
    const pipeline = client.pipeline();
    for (let number = 0; number < pipelineLength; number++) {
      pipeline.set(`key:${number}`, number).get(`key:${number}`);
    }
    const replies = await pipeline.exec();
    assert.equal(replies.length, 2 * pipelineLength);
    replies.forEach(([error, reply], place) => {
      assert.equal(error, null);
      assert.equal(reply, place % 2 ? String((place - 1) / 2) : 'OK');
    });
  },

  async 'automatic-pipeline'() {
    const own = connect({ enableAutoPipelining: true });
    const numbers = Array.from({ length: 1000 }, (_, number) => number);
    await Promise.all(numbers.map((number) => own.set(`key:${number}`, number)));
    const replies = await Promise.all(numbers.map((number) => own.get(`key:${number}`)));
    assert.deepEqual(replies.map(Number), numbers);
    await own.quit();
  },

  async transaction() {
    const replies = await client.multi().set('n', 1).incr('n').get('n').mget('n', 'x').exec();
    assert.deepEqual(replies.map(([, reply]) => reply), ['OK', 2, '2', ['2', null]]);
    const mixed = await client.multi().set('w', 'x').incr('w').get('w').exec();
    assert.match(String(mixed[1][0]), /not an integer/);
    assert.equal(mixed[2][1], 'x');
  },

  async watch() {
    const other = connect();
    await client.set('n', 1);
    await client.watch('n');
    await other.set('n', 5);
    assert.equal(await client.multi().set('n', 2).exec(), null);
    await client.watch('n');
    assert.deepEqual(await client.multi().incr('n').exec(), [[null, 6]]);
    await other.quit();
  },

  async 'publish-subscribe'() {
    const subscriber = connect();
    const inbox = new Inbox();
    subscriber.on('messageBuffer', (channel, data) => inbox.add('message', String(channel), data));
    subscriber.on('pmessageBuffer', (_, channel, data) => {
      inbox.add('pmessage', String(channel), data);
    });
    assert.equal(await subscriber.subscribe('news'), 1);
    assert.equal(await subscriber.psubscribe('n*'), 2);
    assert.equal(await client.publish('news', allBytes), 2);
    assert.deepEqual(await inbox.take(2), [
      ['message', 'news', allBytes],
      ['pmessage', 'news', allBytes],
    ]);
    assert.equal(await subscriber.unsubscribe('news'), 1);
    assert.equal(await subscriber.punsubscribe('n*'), 0);
    assert.equal(await subscriber.get('absent'), null);
    await subscriber.quit();
  },

  async 'binary-values'() {
    await client.set(allBytes, Buffer.concat([allBytes, allBytes]));
    assert.deepEqual(await client.getBuffer(allBytes), Buffer.concat([allBytes, allBytes]));
    assert.deepEqual(await client.keysBuffer('*'), [allBytes]);
    assert.equal(await client.append(allBytes, Buffer.from([0])), 513);
  },

  async 'large-value'() {
    const value = largeValue(options);
    await client.set('large', value);
    assert.equal(await client.strlen('large'), value.length);
    assert.equal(sha256(await client.getBuffer('large')), sha256(value));
  },

  async 'reconnect-after-kill'() {
    const victim = connect({ db: 3 });
    await victim.set('k', 'v');
    const id = await victim.client('ID');
    const ready = nextEvent(victim, 'ready');
    assert.equal(await client.client('KILL', 'ID', id), 1);
    await ready;
    assert.equal(await victim.get('k'), 'v');
    assert.notEqual(await victim.client('ID'), id);
    await victim.quit();
  },

  async 'subscriber-reconnects'() {
    const subscriber = connect();
    const inbox = new Inbox();
    subscriber.on('message', (channel, text) => inbox.add(channel, text));
    await subscriber.subscribe('news');
    const ready = nextEvent(subscriber, 'ready');
    assert.equal(await client.client('KILL', 'TYPE', 'pubsub'), 1);
    await ready;
    while ((await client.publish('news', 'again')) === 0);
    assert.deepEqual(await inbox.take(1), [['news', 'again']]);
    subscriber.disconnect();
  },
};

await runAll(tests, () => client.flushall());
