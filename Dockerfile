# Watchbell in a container: `docker build --tag watchbell .`, then docs/operations.md.
# Both images are of Debian 13 and bring Node.js 24; update them by building again with --pull.

FROM node:24-trixie-slim AS manifest
WORKDIR /app
# No package's own script runs: the database driver ships its binaries, and the compiler needs none.
ENV NPM_CONFIG_IGNORE_SCRIPTS=true NPM_CONFIG_UPDATE_NOTIFIER=false
COPY package.json package-lock.json .npmrc ./
COPY packages/receiver/package.json packages/receiver/
COPY packages/hub/package.json packages/hub/

FROM manifest AS build
RUN npm ci
COPY tsconfig.json ./
COPY scripts/clean.ts scripts/packing.ts scripts/
COPY packages packages
RUN npm run build
RUN node scripts/packing.ts begin packages/receiver --manifest && node scripts/packing.ts begin packages/hub --manifest

FROM manifest AS libraries
RUN npm ci --omit=dev --workspace watchbell

# The data folder as the hub needs it: the last image has no shell to make it with.
FROM manifest AS folders
RUN mkdir /folders && mkdir -m 0700 /folders/watchbell

FROM gcr.io/distroless/nodejs24-debian13:nonroot
LABEL org.opencontainers.image.title="Watchbell" \
      org.opencontainers.image.description="A self-hosted Shared Signals hub that speaks Okta's public API" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /app
COPY --from=libraries /app/node_modules node_modules
COPY --from=build /app/packages/receiver/package.json packages/receiver/
COPY --from=build /app/packages/receiver/dist packages/receiver/dist
COPY --from=build /app/packages/hub/package.json packages/hub/
COPY --from=build /app/packages/hub/dist packages/hub/dist
COPY CHANGELOG.md LICENSE README.md SECURITY.md ./
COPY --chmod=0555 deploy/image/watchbell /usr/local/bin/watchbell
COPY --from=folders --chown=65532:65532 /folders/ /var/lib/

# WATCHBELL_ORIGIN is yours to give: without it, a hub that listens on every address does not start.
ENV NODE_ENV=production \
    WATCHBELL_LISTEN=0.0.0.0:8080 \
    WATCHBELL_DATA=/var/lib/watchbell
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 8080
# Whether it answers at all: a database that is away is no reason to replace the hub.
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 \
  CMD ["/usr/local/bin/watchbell", "health", "--live"]
ENTRYPOINT ["/usr/local/bin/watchbell"]
CMD ["serve"]
