// A hub inside a program of your own, over the embedded database, which asks it at sign-in without a request over HTTP to anybody else.
import { loadSettings, startHub } from 'watchbell'

const environment = { WATCHBELL_ADMIN_TOKEN: 'a-token-of-your-own-0123456789', ...process.env }
await using hub = await startHub(loadSettings({ environment, flags: {}, file: undefined }))

const answer = await fetch(`${hub.origin}/access/v1/evaluation`, {
  method: 'POST',
  headers: { authorization: `SSWS ${environment.WATCHBELL_ADMIN_TOKEN}`, 'content-type': 'application/json' },
  body: JSON.stringify({
    subject: { type: 'user', id: 'ada@example.com' },
    action: { name: 'authenticate' },
    resource: { type: 'app', id: 'mail' },
  }),
})
const { decision } = (await answer.json()) as { decision: boolean }
console.log(`ada@example.com may ${decision ? '' : 'not '}sign in`)
