// A server and a client of gRPC on @grpc/grpc-js, the implementation of the gRPC project for Node, with messages of plain
// bytes: no stubs are needed.
//
// peer.js server                says its port, and serves until its input ends
// peer.js client TARGET         runs the cases against a target in clear, and says their names
"use strict";
const grpc = require("@grpc/grpc-js");
const assert = require("assert");

const PATIENCE = 20000;
const bytes = { requestSerialize: (m) => m, requestDeserialize: (m) => m, responseSerialize: (m) => m, responseDeserialize: (m) => m };
const method = (name, requestStream, responseStream) => ({ path: `/t.Test/${name}`, requestStream, responseStream, ...bytes });
const service = {
  unary: method("Unary", false, false),
  down: method("Down", false, true),
  up: method("Up", true, false),
  both: method("Both", true, true),
  hang: method("Hang", false, true),
  seen: method("Seen", false, false),
};

function serve() {
  const server = new grpc.Server();
  let cancelled;
  const heard = new Promise((resolve) => (cancelled = resolve));
  const answer = (message) => {
    const [word, rest] = message.toString().split(/:(.*)/s);
    return word === "bytes" ? Buffer.alloc(Number(rest), "x") : message;
  };
  server.addService(service, {
    unary(call, done) {
      const [word, code, text] = call.request.toString().split(":");
      if (word === "status") return done({ code: Number(code), details: text });
      const given = call.metadata.get("x-initial")[0];
      if (given) {
        const initial = new grpc.Metadata();
        initial.set("x-initial", given);
        call.sendMetadata(initial);
      }
      const trailing = new grpc.Metadata();
      const value = call.metadata.get("x-trailing-bin")[0];
      if (value) trailing.set("x-trailing-bin", value);
      done(null, answer(call.request), trailing);
    },
    down(call) {
      const [count, size] = call.request.toString().split(":").map(Number);
      for (let n = 0; n < count; n++) call.write(Buffer.alloc(size, n % 256));
      call.end();
    },
    up(call, done) {
      let sum = 0;
      call.on("data", (message) => (sum += message.length));
      call.on("end", () => done(null, Buffer.from(String(sum))));
    },
    both(call) {
      call.on("data", (message) => call.write(answer(message)));
      call.on("end", () => call.end());
    },
    hang(call) {
      call.on("cancelled", cancelled);
      call.write(call.request);
    },
    seen(call, done) {
      heard.then(() => done(null, Buffer.from("yes")));
    },
  });
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    console.log(port);
  });
  process.stdin.on("end", () => process.exit(0)).resume();
}

async function run(target) {
  const Client = grpc.makeGenericClientConstructor(service, "Test");
  const options = { "grpc.max_receive_message_length": -1, "grpc.enable_retries": 0 };
  const client = new Client(target, grpc.credentials.createInsecure(), options);
  const deadline = () => ({ deadline: Date.now() + PATIENCE });
  const unary = (message, metadata = new grpc.Metadata(), options = deadline()) =>
    new Promise((resolve, reject) => {
      const seen = {};
      const call = client.unary(Buffer.from(message), metadata, options, (error, got) =>
        error ? reject(error) : process.nextTick(() => resolve({ got, ...seen })));
      call.on("metadata", (initial) => (seen.initial = initial));
      call.on("status", (status) => (seen.trailing = status.metadata));
    });
  const all = (call) =>
    new Promise((resolve, reject) => {
      const got = [];
      call.on("data", (message) => got.push(message));
      call.on("error", reject);
      call.on("end", () => resolve(got));
    });
  const failure = (promise) => promise.then(() => assert.fail("no error"), (error) => error);

  const cases = {
    async empty_unary() {
      assert.equal((await unary("")).got.length, 0);
    },
    async large_unary() {
      assert.equal((await unary("bytes:314159")).got.length, 314159);
      const big = Buffer.alloc(271828, "abc");
      assert.ok((await unary(big)).got.equals(big));
    },
    async client_streaming() {
      const sum = await new Promise((resolve, reject) => {
        const call = client.up(deadline(), (error, got) => (error ? reject(error) : resolve(got.toString())));
        for (const size of [27182, 8, 1828, 45904]) call.write(Buffer.alloc(size));
        call.end();
      });
      assert.equal(sum, "74922");
    },
    async server_streaming() {
      const sizes = async (ask) => (await all(client.down(Buffer.from(ask), deadline()))).map((m) => m.length);
      assert.deepEqual(await sizes("4:31415"), [31415, 31415, 31415, 31415]);
      assert.deepEqual(await sizes("2000:10"), Array(2000).fill(10));
      assert.deepEqual(await sizes("0:0"), []);
    },
    async ping_pong() {
      const sizes = [31415, 9, 2653, 58979];
      const call = client.both(deadline());
      const got = [];
      await new Promise((resolve, reject) => {
        const next = () => (got.length < sizes.length ? call.write(Buffer.from(`bytes:${sizes[got.length]}`)) : call.end());
        call.on("data", (message) => (got.push(message.length), next()));
        call.on("error", reject);
        call.on("end", resolve);
        next();
      });
      assert.deepEqual(got, sizes);
    },
    async empty_stream() {
      const call = client.both(deadline());
      const got = all(call);
      call.end();
      assert.deepEqual(await got, []);
    },
    async cancel_after_first_response() {
      const call = client.hang(Buffer.from("first"), deadline());
      const error = await new Promise((resolve) => {
        call.on("data", (message) => (assert.equal(message.toString(), "first"), call.cancel()));
        call.on("error", resolve);
      });
      assert.equal(error.code, grpc.status.CANCELLED);
      const seen = await new Promise((resolve, reject) =>
        client.seen(Buffer.alloc(0), deadline(), (error, got) => (error ? reject(error) : resolve(got.toString()))));
      assert.equal(seen, "yes");
    },
    async timeout_on_sleeping_server() {
      const error = await failure(all(client.hang(Buffer.from("first"), { deadline: Date.now() + 300 })));
      assert.equal(error.code, grpc.status.DEADLINE_EXCEEDED);
    },
    async status_code_and_message() {
      for (let code = 1; code <= 16; code++) {
        const error = await failure(unary(`status:${code}:test status \u263a \u{1f608}`));
        assert.deepEqual([error.code, error.details], [code, "test status \u263a \u{1f608}"]);
      }
    },
    async custom_metadata() {
      const metadata = new grpc.Metadata();
      metadata.set("x-initial", "test_initial_metadata_value");
      metadata.set("x-trailing-bin", Buffer.from([0xab, 0xab, 0xab, 0, 0xff]));
      const { initial, trailing } = await unary("m", metadata);
      assert.deepEqual(initial.get("x-initial"), ["test_initial_metadata_value"]);
      assert.ok(trailing.get("x-trailing-bin")[0].equals(Buffer.from([0xab, 0xab, 0xab, 0, 0xff])));
    },
    async unimplemented_method() {
      const call = (resolve) => client.makeUnaryRequest("/t.Test/Nothing", (m) => m, (m) => m, Buffer.alloc(0), resolve);
      assert.equal((await new Promise(call)).code, grpc.status.UNIMPLEMENTED);
    },
    async concurrent() {
      const calls = Array.from({ length: 300 }, (_, n) => unary(String(n)));
      assert.deepEqual((await Promise.all(calls)).map(({ got }) => got.toString()), [...Array(300).keys()].map(String));
    },
  };
  for (const [name, test] of Object.entries(cases)) {
    try {
      await test();
    } catch (error) {
      console.error(`${name}: ${error.stack}`);
      process.exit(1);
    }
    console.log(name);
  }
  process.exit(0);
}

process.argv[2] === "server" ? serve() : run(process.argv[3]);
