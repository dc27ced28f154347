# Aviary as an image: docker build --tag registry.example.com/aviary:0.1.0 .
# It runs as an unprivileged user, writes nothing but its control socket, and uses no shell.
FROM rust:1.95-slim-trixie AS build
RUN rustup target add wasm32-unknown-unknown
WORKDIR /aviary
COPY . .
# The policies first: the daemon embeds them.
RUN plugins/build
RUN cargo build --locked --release --package aviary --bin aviary

FROM debian:trixie-slim
# For a Prometheus behind https.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /aviary/target/release/aviary /usr/local/bin/aviary
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/aviary"]
CMD ["--help"]
