# One image with all four programs. The command of the container chooses which one runs: see docker-compose.yml.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The folders of cache mounts do not become part of the image, so the programs are copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --bins -p command-api -p projector -p query-api -p waybill \
      --features waybill/servers \
    && mkdir /programs \
    && for program in command-api projector query-api waybill; do \
         cp "target/release/$program" /programs/ || exit 1; \
       done

FROM debian:bookworm-slim
# The health checks of docker-compose.yml ask /readyz with curl.
RUN apt-get update \
    && apt-get install -y --no-install-recommends curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --home-dir /var/lib/waybill --shell /usr/sbin/nologin waybill
COPY --from=build /programs/ /usr/local/bin/
USER 10001
# Without another command the container runs the embedded mode, with its log in /var/lib/waybill/data.
WORKDIR /var/lib/waybill
CMD ["waybill"]
