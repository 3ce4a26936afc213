# Each step is exercised without a container engine by tests/test_packaging.py.
FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /build && /build/bin/pip install --require-hashes -r requirements-build.lock
RUN python -m venv /opt/cds-service && /opt/cds-service/bin/pip install --require-hashes -r requirements.lock
COPY . .
RUN /build/bin/python -m hatchling build -t wheel -d dist
RUN /opt/cds-service/bin/pip install --no-deps --no-index dist/*.whl

FROM python:3.12-slim
COPY --from=build /opt/cds-service /opt/cds-service
# The root may be read-only: only the volume is written to.
RUN mkdir /var/lib/cds-service && chown 10001:10001 /var/lib/cds-service
VOLUME /var/lib/cds-service
USER 10001:10001
ENV PATH=/opt/cds-service/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    GLIBC_TUNABLES=glibc.malloc.tcache_count=0 \
    CDS_SERVICE_HOST=0.0.0.0 \
    CDS_SERVICE_DATABASE_URL=sqlite:////var/lib/cds-service/cds-service.sqlite3
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
CMD ["cds-service", "serve"]
