import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { isJsonObject, type JsonObject } from '@watchbell/receiver/base'
import { stopMaxMs } from '../../src/cli/serve-command.ts'
import { settingEntries } from '../../src/config/settings.ts'
import { healthRoutes } from '../../src/http/health-routes.ts'
import { runInProcess } from '../run-cli.ts'
import { image, manifest, root, strangers, text, yaml } from './files.ts'

const folder = 'deploy/helm/watchbell'
const files = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
const templates = files.filter((file) => /^templates\/.*\.(yaml|tpl|txt)$/.test(file))
const templateTexts = templates.map((file) => text(join(folder, file))).join('\n')
const pod = text(join(folder, 'templates/_pod.tpl'))
const examples = files.filter((file) => file.startsWith('ci/'))

const defaults = yaml(join(folder, 'values.yaml')) as JsonObject // ours
const schema = JSON.parse(text(join(folder, 'values.schema.json'))) as JsonObject // an object at its root
const isValid = new Ajv({ strict: true, allowUnionTypes: true }).compile(schema)

/** Values over the chart's own, as Helm lays them. */
function over(base: JsonObject, values: JsonObject): JsonObject {
  const laid = Object.entries(values).map(([name, value]) => {
    const below = base[name]
    return [name, isJsonObject(below) && isJsonObject(value) ? over(below, value) : value]
  })
  return { ...base, ...(Object.fromEntries(laid) as JsonObject) } // of JSON values only
}

/** Names of all values that stand for themselves, by their path. */
function leaves(values: JsonObject, path: readonly string[] = []): readonly (readonly string[])[] {
  return Object.entries(values).flatMap(([name, value]) =>
    isJsonObject(value) && Object.keys(value).length > 0 ? leaves(value, [...path, name]) : [[...path, name]],
  )
}

describe('the chart', () => {
  test('is the chart of this version', () => {
    const chart = yaml(join(folder, 'Chart.yaml')) as {
      readonly appVersion: string
      readonly version: string
    } // ours
    expect(chart.appVersion).toBe(manifest.version)
    expect(chart.version).toMatch(/^\d+\.\d+\.\d+$/)
  })

  test.each([...templates, ...examples, 'values.yaml', 'values.schema.json', 'README.md'])(
    '%s names only settings',
    (file) => expect(strangers(text(join(folder, file)))).toEqual([]),
  )

  test('uses every value that it offers, and none that it does not', () => {
    const unused = leaves({ ...defaults, resources: {} }).filter((path) => {
      const [name = ''] = path.slice(-1)
      return !templateTexts.includes(`.Values.${path.join('.')}`) && !templateTexts.includes(`.${name} `)
    })
    expect(unused).toEqual([])
    const used = [...templateTexts.matchAll(/\$?\.Values\.([A-Za-z_.]+)/g)].map(([, path]) => path ?? '')
    const at = (path: string): unknown =>
      path
        .split('.')
        .reduce<unknown>((value, name) => (isJsonObject(value) ? value[name] : undefined), defaults)
    const offered = (path: string): boolean => at(path) !== undefined || /^settings\.WATCHBELL_/.test(path)
    expect(used.filter((path) => !offered(path))).toEqual([])
  })

  test('asks for life and readiness where they are answered', () => {
    const paths = [...pod.matchAll(/^ +path: (\S+)$/gm)].map(([, path]) => path)
    expect(paths).toEqual(['/healthz', '/healthz', '/readyz'])
    const answered = healthRoutes({ isReady: async () => true }).map(({ path }) => path)
    expect(answered).toEqual(expect.arrayContaining(paths))
  })

  test('has one port for metrics, and asks there for what is answered there', () => {
    const metrics = text(join(folder, 'templates/metrics.yaml'))
    const { port } =
      settingEntries.metricsListen.read(/_LISTEN\n +value: (\S+:94\S+)/.exec(pod)?.[1] ?? '') ?? {}
    expect(pod).toContain(`- name: metrics\n          containerPort: ${port}\n`)
    expect(metrics).toContain(`port: ${port}\n      targetPort: metrics\n`)
    expect(metrics).toContain('path: /metrics\n')
    expect(settingEntries.metricsListen.meaning).toContain('`GET /metrics`')
  })

  test('gives a pod the time that a stop takes', () => {
    const [, sleepS] = /sleep:\n +seconds: (\d+)/.exec(pod) ?? []
    const [, graceS] = /terminationGracePeriodSeconds: (\d+)/.exec(pod) ?? []
    expect(Number(graceS) * 1_000).toBeGreaterThan(Number(sleepS) * 1_000 + stopMaxMs)
  })

  test('fits the image: its user, its port, its data folder', () => {
    const [user, group] = image.user?.split(':') ?? []
    expect(pod).toContain(`runAsUser: ${user}\n    runAsGroup: ${group}\n    fsGroup: ${group}\n`)
    expect(pod).toContain(`containerPort: ${image.port}\n`)
    for (const name of ['WATCHBELL_LISTEN', 'WATCHBELL_DATA']) {
      expect(pod).toContain(`- name: ${name}\n          value: ${image.environment[name]}\n`)
    }
    expect(pod).toContain(`mountPath: ${image.environment['WATCHBELL_DATA']}\n`)
  })

  test('makes a secret of exactly the settings of ours that are secret', () => {
    const made = [...text(join(folder, 'templates/secret.yaml')).matchAll(/^ {2}(WATCHBELL_\w+):/gm)]
    const secret = Object.values(settingEntries).filter(
      ({ secret, variable }) => secret && variable.startsWith('WATCHBELL_'),
    )
    expect(new Set(made.map(([, name]) => name))).toEqual(new Set(secret.map(({ variable }) => variable)))
  })
})

describe('the pod for one command', () => {
  const once = text('deploy/kubernetes/once.yaml')
  const { metadata, spec } = parse(once) as OnePod // ours

  interface OnePod {
    readonly metadata: { readonly labels: Readonly<Record<string, string>> }
    readonly spec: { readonly containers: readonly { readonly args: readonly string[] }[] }
  }

  test('has the user, the data and the bounds of the chart’s pod', () => {
    const block = (source: string, name: string): string => {
      const indent = new RegExp(`^( +)${name}:\\n(?:\\1 +.*\\n)+`, 'm')
      return indent.exec(source)?.[0] ?? ''
    }
    for (const name of ['securityContext', 'seccompProfile', 'capabilities']) {
      expect(block(once, name)).not.toBe('')
      expect(pod).toContain(block(once, name))
    }
    for (const name of ['automountServiceAccountToken: false', 'readOnlyRootFilesystem: true']) {
      expect(once).toContain(name)
      expect(pod).toContain(name)
    }
    const folder = image.environment['WATCHBELL_DATA']
    expect(once).toContain(`- name: WATCHBELL_DATA\n          value: ${folder}\n`)
    expect(once).toContain(`- name: data\n          mountPath: ${folder}\n`)
    const [, claim] = /volumeClaimTemplates:\n +- metadata:\n +name: (\w+)/.exec(templateTexts) ?? []
    expect(once).toContain(`claimName: ${claim}-watchbell-0\n`)
  })

  test('runs a command that there is, and is none of the pods that a service leads to', async () => {
    const [container] = spec.containers
    expect(await runInProcess([...(container?.args ?? []), '--help'])).toMatchObject({ exitCode: 0 })
    expect(metadata.labels).toEqual({ 'app.kubernetes.io/name': 'watchbell-once' })
    expect(strangers(once)).toEqual([])
  })
})

describe('its README', () => {
  const readme = text(join(folder, 'README.md'))

  test('names values that there are, and all by which the network policy is narrowed', () => {
    const paths = leaves(defaults).map((path) => path.join('.'))
    const [sections, named] = [Object.keys(defaults).join('|'), readme.replaceAll(/^```\n[^]*?^```$/gm, '')]
    const values = [...named.matchAll(new RegExp(`\`((?:${sections})\\.\\w[\\w.]*)`, 'g'))].map(
      ([, path]) => path,
    )
    expect(values.filter((path) => !paths.includes(path ?? ''))).toEqual([])
    expect(values).toEqual(
      expect.arrayContaining(paths.filter((path) => /^networkPolicy\.\w+(?:From|To)$/.test(path))),
    )
  })

  test('makes the volume larger that the StatefulSet has, in an order that keeps the pod', () => {
    const [steps = ''] = /(?<=^## A larger volume\n)[^]*?(?=^## )/m.exec(readme) ?? []
    const [, claim] = /volumeClaimTemplates:\n +- metadata:\n +name: (\w+)/.exec(templateTexts) ?? []
    const lines = steps.split('\n').filter((line) => /^(?:kubectl (?:patch|delete)|helm)/.test(line))
    expect(lines).toEqual([
      expect.stringContaining(`kubectl patch pvc ${claim}-watchbell-0 `),
      expect.stringContaining('--cascade=orphan'),
      expect.stringContaining('--set persistence.size='),
    ])
  })
})

describe('its values', () => {
  test('ask for no more connections than PostgreSQL has, during an upgrade too', () => {
    const { maxReplicas } = defaults['autoscaling'] as { readonly maxReplicas: number } // ours
    const [, perNode] = /each\s+node takes (\d+) connections/.exec(text('docs/operations.md')) ?? []
    const [forSuperusers, postgresDefault] = [3, 100]
    for (const nodes of [maxReplicas, Number(defaults['replicaCount'])]) {
      expect((nodes + 1) * Number(perNode)).toBeLessThanOrEqual(postgresDefault - forSuperusers)
    }
  })

  test('ask for the memory that a busy node uses', () => {
    const { requests, limits } = defaults['resources'] as Record<string, { readonly memory: string }> // ours
    const mebibytes = (size = ''): number => Number.parseInt(size, 10) * (size.endsWith('Gi') ? 1_024 : 1)
    const measured = [...text('docs/performance.md').matchAll(/ms \| (\d+), (\d+), (\d+) \|$/gm)]
    const most = measured.flatMap(([, ...figures]) => figures.map(Number))
    expect(mebibytes(limits?.memory)).toBeGreaterThan(Math.max(...most) * 1.5)
    expect(mebibytes(requests?.memory)).toBeGreaterThan(Math.min(...most))
  })

  test.each(['values.yaml', ...examples])('%s are valid', (file) => {
    isValid(over(defaults, yaml(join(folder, file)) as JsonObject)) // ours
    expect(isValid.errors ?? []).toEqual([])
  })

  test.each([
    ['an origin with a path', { origin: 'https://hub.example/watchbell' }],
    ['an origin without a scheme', { origin: 'hub.example' }],
    ['an origin in capitals', { origin: 'https://Hub.example' }],
    ['pods that may be away, in words', { podDisruptionBudget: { maxUnavailable: 'some' } }],
    ['a volume without a name', { extraVolumes: [{ emptyDir: {} }] }],
    ['a database that there is not', { database: { kind: 'mysql' } }],
    ['no nodes', { replicaCount: 0 }],
    ['nodes in words', { replicaCount: '2' }],
    ['a key that is not 32 bytes', { secrets: { secretKey: 'c2hvcnQ=' } }],
    ['a token that can be guessed', { secrets: { adminToken: 'admin' } }],
    ['the URL of another database', { secrets: { databaseUrl: 'mysql://db/watchbell' } }],
    ['a number as a setting', { settings: { WATCHBELL_LOG_RETENTION_DAYS: 30 } }],
    ['a variable of somebody else as a setting', { settings: { PATH: '/tmp' } }],
    ['a setting that the chart makes itself', { settings: { WATCHBELL_LISTEN: '0.0.0.0:80' } }],
    ['a digest that is none', { image: { digest: 'latest' } }],
    ['a value that there is not', { replicas: 3 }],
    ['a value that there is not, further down', { ingress: { host: 'hub.example' } }],
    ...Object.values(settingEntries)
      .filter(({ secret }) => secret)
      .map(
        ({ variable }) => [`${variable} among what is no secret`, { settings: { [variable]: 'x' } }] as const,
      ),
  ] as const)('%s is refused', (_name, values) => {
    expect(isValid(over(defaults, values as JsonObject))).toBe(false)
  })
})

const byText = (a: string, b: string): number => (a < b ? -1 : 1)
const hasHelm = spawnSync('helm', ['version', '--short'], { stdio: 'ignore' }).status === 0

/** With Helm at hand. The chart is for Kubernetes 1.30 and newer. */
describe.skipIf(!hasHelm)('as Helm makes it', () => {
  interface Manifest {
    readonly kind: string
    readonly metadata: { readonly labels?: Readonly<Record<string, string>> }
    readonly spec: { readonly replicas?: number; readonly template: { readonly spec: PodSpec } }
  }
  interface PodSpec {
    readonly volumes: readonly object[]
    readonly containers: readonly {
      readonly env: readonly { readonly name: string; readonly value: string }[]
      readonly securityContext: object
      readonly volumeMounts: readonly object[]
    }[]
  }

  function helm(...args: readonly string[]): string {
    return execFileSync('helm', args, { cwd: join(root, folder), encoding: 'utf8', stdio: 'pipe' })
  }

  function rendered(...args: readonly string[]): readonly Manifest[] {
    const made = helm('template', 'bell', '.', '--kube-version', '1.30.0', ...args)
    return parseAllDocuments(made).map((document) => {
      expect(document.errors).toEqual([])
      return document.toJS() as Manifest // Kubernetes' own shape
    })
  }

  test.each(examples)('it has nothing that its linter knows to be wrong, with %s', (file) => {
    expect(helm('lint', '--strict', '.', '--values', file)).toContain('0 chart(s) failed')
  })

  test.each([
    [
      'ci/postgresql-values.yaml',
      [
        'Deployment',
        'HorizontalPodAutoscaler',
        'Ingress',
        'NetworkPolicy',
        'Pod',
        'PodDisruptionBudget',
        'Service',
        'Service',
        'ServiceAccount',
        'ServiceMonitor',
      ],
    ],
    [
      'ci/secrets-values.yaml',
      ['Deployment', 'NetworkPolicy', 'Pod', 'PodDisruptionBudget', 'Secret', 'Service', 'ServiceAccount'],
    ],
    ['ci/sqlite-values.yaml', ['NetworkPolicy', 'Pod', 'Secret', 'Service', 'ServiceAccount', 'StatefulSet']],
  ])('%s makes what it needs, and nothing else', (file, kinds) => {
    const manifests = rendered('--values', file)
    expect(manifests.map(({ kind }) => kind).toSorted(byText)).toEqual(kinds)
    const workload = manifests.find(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')
    const [container] = workload?.spec.template.spec.containers ?? []
    expect(container?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    const names = container?.env.map(({ name }) => name) ?? []
    expect(new Set(names).size).toBe(names.length)
  })

  test('files of one’s own come into the pod', () => {
    const [workload] = rendered(
      ...['--values', 'ci/secrets-values.yaml', '--set'],
      'extraVolumes[0].name=ca,extraVolumes[0].configMap.name=ca,extraVolumeMounts[0].name=ca,extraVolumeMounts[0].mountPath=/etc/ca',
    ).filter(({ kind }) => kind === 'Deployment')
    const { containers, volumes } = workload?.spec.template.spec ?? {}
    expect(containers?.[0]?.volumeMounts).toContainEqual({ name: 'ca', mountPath: '/etc/ca' })
    expect(volumes).toContainEqual({ name: 'ca', configMap: { name: 'ca' } })
  })

  test('whatever the release is called, Prometheus knows it by the job that alerts look for', () => {
    const job = /up\{job="(\w+)"/.exec(text('deploy/prometheus/watchbell-alerts.yaml'))?.[1]
    const settings = 'metrics.enabled=true,metrics.serviceMonitor.enabled=true,nameOverride=other'
    const monitor = rendered('--values', 'ci/postgresql-values.yaml', '--set', settings).find(
      ({ kind }) => kind === 'ServiceMonitor',
    )
    expect(monitor?.spec).toMatchObject({
      endpoints: [{ relabelings: [{ targetLabel: 'job', replacement: job }] }],
    })
  })

  test('the longest name leaves room for what is put behind it', () => {
    const made = rendered('--values', 'ci/secrets-values.yaml', '--set', `nameOverride=${'n'.repeat(63)}`)
    for (const { metadata } of made) {
      for (const value of Object.values(metadata.labels ?? {})) expect(value.length).toBeLessThanOrEqual(63)
    }
  })

  test.each([
    ['origin is required', ['--set', 'origin=']],
    ['needs secrets.existingSecret', ['--set', 'secrets.secretKey=']],
    ['choose one of them', ['--set', 'database.kind=sqlite']],
    [
      'on sqlite there is one node',
      ['--set', 'database.kind=sqlite,secrets.databaseUrl=,autoscaling.enabled=true'],
    ],
    ['needs metrics.enabled', ['--set', 'metrics.serviceMonitor.enabled=true']],
    ['additional properties', ['--set', 'replicas=3']],
    [
      'secrets.databaseUrl has port 6432 and networkPolicy.databasePort is 5432',
      ['--set', 'secrets.databaseUrl=postgres://a:b@db:6432/w'],
    ],
    ['networkPolicy.databasePort is 6432', ['--set', 'networkPolicy.databasePort=6432']],
    ['more than autoscaling.maxReplicas', ['--set', 'autoscaling.enabled=true,autoscaling.minReplicas=9']],
    ['an origin with a name', ['--set', 'ingress.enabled=true,origin=https://192.0.2.1']],
    ['an origin with a name', ['--set', 'ingress.enabled=true,origin=https://[2001:db8::1]']],
    ['podLabels must not change', ['--set', 'podLabels.app\\.kubernetes\\.io/name=x']],
  ])('it says "%s" instead of making what cannot work', (reason, args) => {
    expect(() => rendered('--values', 'ci/secrets-values.yaml', ...args)).toThrow(reason)
  })
})
