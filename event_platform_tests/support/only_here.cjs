// Loaded by node before a server that listens on every address of the machine: it listens on 127.0.0.1 instead.
const { Server } = require("node:net");

const { listen } = Server.prototype;

Server.prototype.listen = function (first, ...rest) {
  const here = { host: "127.0.0.1" };
  const callbacks = rest.filter((each) => typeof each === "function");
  const options = typeof first === "object" && first !== null ? { ...first, ...here } : { port: Number(first), ...here };
  return listen.call(this, options, ...callbacks);
};
