/** Counts requests, as Prometheus reads them. One series per route and status, so their number is bounded. */
export class Metrics {
  readonly #version: string;
  readonly #requests = new Map<string, number>();
  readonly #startedSeconds = Date.now() / 1_000 - process.uptime();

  constructor(version: string) {
    this.#version = version;
  }

  count(request: { method: string; route: string; status: number }): void {
    const labels = `method="${request.method}",route="${request.route}",status="${request.status}"`;
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1);
  }

  /** In the text format 0.0.4. */
  text(): string {
    return [
      "# HELP holdfast_info The version that runs.",
      "# TYPE holdfast_info gauge",
      `holdfast_info{version="${this.#version}"} 1`,
      "# HELP holdfast_http_requests_total HTTP requests answered since the start.",
      "# TYPE holdfast_http_requests_total counter",
      ...[...this.#requests].map(([labels, count]) => `holdfast_http_requests_total{${labels}} ${count}`),
      "# HELP process_resident_memory_bytes Memory that the process holds.",
      "# TYPE process_resident_memory_bytes gauge",
      `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
      "# HELP process_cpu_seconds_total Processor time used since the start.",
      "# TYPE process_cpu_seconds_total counter",
      `process_cpu_seconds_total ${cpuSeconds()}`,
      "# HELP process_start_time_seconds When the process started, in seconds since 1970.",
      "# TYPE process_start_time_seconds gauge",
      `process_start_time_seconds ${this.#startedSeconds.toFixed(3)}`,
      "",
    ].join("\n");
  }
}

function cpuSeconds(): string {
  const { user, system } = process.cpuUsage();
  return ((user + system) / 1_000_000).toFixed(3);
}
