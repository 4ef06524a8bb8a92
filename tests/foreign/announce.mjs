// One announce and one scrape by npm's bittorrent-tracker, a foreign client of trackers.
//
//   node announce.mjs MODULES URL HASH PORT LEFT
//
// MODULES is the folder that holds node_modules. Prints one JSON line: counts, peers, and the
// scrape's counts; or why one of them `failed`. It leaves without saying goodbye, so the peer stays in the swarm.
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [modules, url, infoHash, port, left] = process.argv.slice(2)
const entry = join(modules, 'node_modules/bittorrent-tracker/index.js')
const { Client } = await import(pathToFileURL(entry))

const digest = createHash('sha1').update(`${url} ${port} ${left}`).digest('hex')
const peerId = Buffer.from(`-CF0003-${digest.slice(0, 12)}`).toString('hex')
const client = new Client({ infoHash, peerId, announce: [url], port: Number(port) })

const said = { peers: [] }
client.on('peer', (address) => said.peers.push(address))
client.on('error', fail)
client.on('warning', fail)
// Its peers follow in the same turn.
client.once('update', ({ complete, incomplete }) => {
  Object.assign(said, { complete, incomplete })
  setImmediate(() => client.scrape())
})
client.once('scrape', ({ complete, incomplete, downloaded }) => {
  said.scrape = { complete, incomplete, downloaded }
  finish()
})
client.start({ left: Number(left) })

function fail (trouble) {
  said.failed = trouble.message
  finish()
}

function finish () {
  console.log(JSON.stringify(said))
  process.exit()
}
