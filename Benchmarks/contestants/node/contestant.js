// A listener on process. SIGUSR1 starts the debugger only in a process without a listener.
const fs = require('fs')

const [name, mode] = process.argv.slice(2)
if (name !== 'node' || !['pingpong', 'storm'].includes(mode)) {
  process.exit(2)
}
if (mode === 'storm') {
  console.error('process.on knows signals by their names, and has none for realtime signals')
  process.exit(3)
}
process.on('SIGUSR1', () => fs.writeSync(1, 's'))
new MessageChannel().port1.ref() // keeps the process alive, which a listener alone does not
fs.writeSync(1, 'R')
