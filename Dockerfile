# Two stages: build a static binary, run it as a user without rights.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/sentinel ./cmd/sentinel

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/sentinel /usr/local/bin/sentinel
ENV HTTP_ADDR=0.0.0.0:8080 METRICS_ADDR=0.0.0.0:9090
EXPOSE 8080 9090
USER nonroot
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["/usr/local/bin/sentinel", "check", "--ready"]
ENTRYPOINT ["/usr/local/bin/sentinel"]
CMD ["serve"]
