/** Answers every message with itself and says who it is; the other half of the tests of spawnScript. */
process.on('message', (message) => {
  process.send?.({ echo: message, pid: process.pid });
});
process.send?.({ ready: true, args: process.argv.slice(2) });
