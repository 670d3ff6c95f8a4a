import { test } from 'vitest'
import { startTestHub } from '../../src/testing/start-test-hub.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { bearer, startStreamSite } from './with-stream.ts'
test('x', async () => {
    const t0 = Date.now(); const log = (s: string) => console.log(s, Date.now() - t0)
    await using folder = await temporaryFolder()
    await using site = await startStreamSite()
    log('site')
    let providerId: string
    {
      await using hub = await startTestHub({ folder: folder.path })
      log('hub1')
      const created = await hub.api('POST', '/api/v1/security-events-providers', { name: 'Emulated', type: 'test', settings: { well_known_url: site.transmitter.wellKnownUrl } })
      providerId = ((await created.json()) as { id: string }).id
      log('put')
      console.log((await hub.api('PUT', `/v1/providers/${providerId}/stream`, bearer)).status)
      log('put done')
    }
    log('hub1 gone')
    await using hub = await startTestHub({ folder: folder.path })
    log('hub2')
    const status = await hub.api('GET', `/v1/providers/${providerId}/stream/status`)
    console.log(status.status, await status.json())
    log('end')
})
