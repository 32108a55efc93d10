import { randomUUID } from "node:crypto";
import { maxHeaderSize } from "node:http";
import type { Socket } from "node:net";
import { AppError } from "@holdfast/protocol";
import { failureAnswer } from "./failures.ts";

interface Refusal {
  readonly statusLine: string;
  readonly error: AppError;
}

/** What never becomes a request is answered in words, as everything else, and its connection is ended. `thrown`: of node:http. */
export function refuseConnection(thrown: unknown, socket: Socket): void {
  if (!socket.writable) return void socket.destroy();
  const { statusLine, error } = refusalOf(thrown);
  const body = JSON.stringify(failureAnswer(error, randomUUID()).body);
  const head = `HTTP/1.1 ${statusLine}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}`;
  socket.end(`${head}\r\nConnection: close\r\n\r\n${body}`);
}

/** By the codes that node:http's documentation lists for `clientError`; it counts the URL among the headers. */
function refusalOf(thrown: unknown): Refusal {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  if (code === "HPE_HEADER_OVERFLOW") {
    const message = `The URL and the headers of the request have more than ${maxHeaderSize} bytes.`;
    const hint = "Send what is large in the body, as JSON.";
    return {
      statusLine: "431 Request Header Fields Too Large",
      error: new AppError("too_large", message, { hint, cause: thrown }),
    };
  }
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") {
    const message = "The request did not arrive whole in the time that it has.";
    const hint = "Send it again; look at what lies between, should it be slow each time.";
    return {
      statusLine: "408 Request Timeout",
      error: new AppError("invalid_request", message, { hint, cause: thrown }),
    };
  }
  const message = "This is not a request in HTTP/1.1.";
  return { statusLine: "400 Bad Request", error: new AppError("invalid_request", message, { cause: thrown }) };
}
