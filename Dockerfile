# syntax=docker/dockerfile:1
FROM rust:1.95-slim-bookworm AS build
WORKDIR /homeward
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/homeward/target \
    cargo build --release --locked --bin homeward && cp target/release/homeward /usr/local/bin/

FROM debian:bookworm-slim
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /usr/local/bin/homeward /usr/local/bin/
# An SQLite file, if that is what it uses, and whatever else a relative path names stand here.
RUN useradd --uid 1000 --home-dir /var/lib/homeward --create-home --shell /usr/sbin/nologin homeward
USER homeward
WORKDIR /var/lib/homeward
VOLUME /var/lib/homeward
# In a container loopback is nobody's.
ENV HOMEWARD_LISTEN__ADDRESS=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
    CMD ["homeward", "health", "--url", "http://127.0.0.1:8080/readyz"]
ENTRYPOINT ["homeward"]
CMD ["serve"]
