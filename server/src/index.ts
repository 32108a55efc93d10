// `import … from "holdfast"` is the SDK, wherever it is installed.
export * from "@holdfast/sdk";
