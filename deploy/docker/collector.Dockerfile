# The collector. Build from the root of the source: docker build -f deploy/docker/collector.Dockerfile -t aimscope-collector .
FROM python:3.12-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN python -m venv /opt/aimscope \
 && /opt/aimscope/bin/pip install --no-cache-dir --constraint constraints.txt '.[collector,xlsx]'

FROM python:3.12-slim-bookworm
# Pango and a font: PDF reports are drawn with them.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /var/lib/aimscope --create-home aimscope
COPY --from=build /opt/aimscope /opt/aimscope
ENV PATH=/opt/aimscope/bin:$PATH AIMSCOPE_STATE=/var/lib/aimscope PYTHONUNBUFFERED=1
USER 10001:10001
VOLUME /var/lib/aimscope
EXPOSE 8443
STOPSIGNAL SIGTERM
# asks the server itself, not its files; on loopback nobody else can answer, so the certificate's name does not matter
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["python", "-c", "import ssl, urllib.request as r; r.urlopen('https://127.0.0.1:8443/api/v1/health', timeout=4, context=ssl._create_unverified_context())"]
ENTRYPOINT ["aimscope"]
CMD ["collector", "serve", "--folder", "/var/lib/aimscope", "--listen", "0.0.0.0:8443", "--tls-cert", "/run/secrets/tls.crt", "--tls-key", "/run/secrets/tls.key"]
