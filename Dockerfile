# The image of gitfaas: one program, the shared objects it needs, certificate authorities, and a user who is not root.
# No shell, no other program, no distribution. For each architecture it is built on that architecture:
#
#   docker build --tag gitfaas .
#
# What is in it is decided by scripts/image, which makes the same image without a container engine.

FROM rust:1.95-bookworm AS build
# The versions are those of the image's Debian release.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /gitfaas
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/gitfaas/target \
    cargo build --locked --profile dist --package gitfaas \
    && scripts/image --folder /image target/dist/gitfaas \
    && mv /image/var /var/data

FROM scratch
COPY --from=build /image/ /
# Apart, because what is copied is root's otherwise.
COPY --from=build --chown=65532:65532 /var/data/lib/ /var/lib/
ENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin GITFAAS_DATA=/var/lib/gitfaas
LABEL org.opencontainers.image.title=gitfaas \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.source=https://github.com/rememberSoftwares/gitfaas
USER 65532:65532
EXPOSE 5000
ENTRYPOINT ["/usr/bin/gitfaas"]
CMD ["serve"]
