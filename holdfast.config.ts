import { defineConfig } from "holdfast/config";

// What the examples need. The warehouse is a server of BigQuery's protocol on this machine; `npm start` starts it.
export default defineConfig({
  app: "holdfast-examples",
  connections: {
    warehouse: {
      service: "bigquery",
      project: "flights",
      location: "US",
      baseUrl: process.env.WAREHOUSE_URL ?? "http://127.0.0.1:4401",
      credentials: "none",
    },
  },
});
