import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from '../temporary-folder.ts'

/** Debian keeps it where only root looks. */
const run = { env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` } }

/** Whether an nginx is installed here that can ask somebody else before it lets a request through. */
export const hasNginx = /http_auth_request_module/.test(
  spawnSync('nginx', ['-V'], { encoding: 'utf8', ...run }).stderr ?? '', // null when there is none
)

export interface RunningNginx extends AsyncDisposable {
  readonly origin: string
}

/**
 * Runs nginx in the foreground until it is disposed.
 * @param server - what stands in its one `server` block, without `listen`
 */
export async function startNginx(server: string, port: number): Promise<RunningNginx> {
  const folder = await temporaryFolder()
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${join(folder.path, name)};`)
    .join('\n')
  const configuration = join(folder.path, 'nginx.conf')
  await writeFile(
    configuration,
    `daemon off; worker_processes 1; error_log stderr error; pid ${join(folder.path, 'nginx.pid')};
    events { worker_connections 64; }
    http { access_log off; ${paths} server { listen 127.0.0.1:${port}; ${server} } }`,
  )
  const child = spawn('nginx', ['-c', configuration, '-p', folder.path], {
    ...run,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (text: Buffer) => (said += text.toString()))
  const exit = once(child, 'exit')
  const origin = `http://127.0.0.1:${port}`
  const nginx: RunningNginx = {
    origin,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await exit
      await folder[Symbol.asyncDispose]()
    },
  }
  for (;;) {
    if (child.exitCode !== null) throw new Error(`nginx ended: ${said}`)
    const answers = await fetch(origin).then(
      () => true,
      () => false,
    )
    if (answers) return nginx
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
