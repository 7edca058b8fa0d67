# The dashboard over a small demo snapshot; a mounted /data shows your own build instead.
FROM python:3.13-slim AS base
RUN apt-get update && apt-get install -y --no-install-recommends make git libgomp1 \
    && rm -rf /var/lib/apt/lists/* && useradd --uid 1000 --create-home regionwise
WORKDIR /app
COPY --chown=regionwise . /app
RUN chown regionwise /app && mkdir /data && chown regionwise /data
USER regionwise
ENV REGIONWISE_DATA=/data
RUN make setup && make build SERVICES=50 DAYS=60
EXPOSE 8501
HEALTHCHECK CMD ["/app/.venv/bin/python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health')"]
# Inside the container every interface is the container's own; publish the port to loopback outside.
CMD ["/app/.venv/bin/regionwise", "dashboard", "--headless", "--address", "0.0.0.0"]
