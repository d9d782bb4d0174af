# The bot in an image. What renders kustomize, Helm and SOPS is added by a layer of your own: see docs/rendering.md.
FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv
COPY pyproject.toml README.md LICENSE /src/
COPY bot /src/bot
RUN python3 -m venv /opt/gitops-bot && /opt/gitops-bot/bin/pip install --no-cache-dir '/src[postgres,s3,aws,tracing]'

FROM debian:bookworm-slim
# git follows repositories, ssh reaches them, gpg checks signatures; tini hands on SIGTERM and buries what git leaves.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates git gpg openssh-client python3 tini \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/gitops-bot /opt/gitops-bot
ENV PATH=/opt/gitops-bot/bin:$PATH
RUN useradd --uid 10001 --home-dir /var/lib/gitops-bot --create-home gitops-bot
USER 10001
WORKDIR /var/lib/gitops-bot
EXPOSE 8080
ENTRYPOINT ["tini", "--"]
CMD ["gitops-bot", "run"]
