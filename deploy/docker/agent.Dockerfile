# The gateway agent: traffic and logs. An agent in a container sees that container, not its host: endpoints run the service.
FROM python:3.12-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN python -m venv /opt/aimscope \
 && /opt/aimscope/bin/pip install --no-cache-dir --constraint constraints.txt '.[gateway]'

FROM python:3.12-slim-bookworm
RUN apt-get update \
 && apt-get install -y --no-install-recommends libpcap0.8 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10002 --home-dir /var/lib/aimscope-agent --create-home aimscope
COPY --from=build /opt/aimscope /opt/aimscope
ENV PATH=/opt/aimscope/bin:$PATH AIMSCOPE_STATE=/var/lib/aimscope-agent PYTHONUNBUFFERED=1
USER 10002:10002
VOLUME /var/lib/aimscope-agent
STOPSIGNAL SIGTERM
ENTRYPOINT ["aimscope"]
CMD ["agent", "run", "--config", "/etc/aimscope/config.yaml"]
