import type { Logger as TemporalLogger, LogLevel, LogMetadata } from '@temporalio/worker';
import { pino, type Logger } from 'pino';
import { PinoPretty } from 'pino-pretty';
import { redactLine } from '../contracts/redact.ts';

export type { Logger } from 'pino';

/**
 * The log of a worker, on standard error: readable lines on a terminal, JSON elsewhere. Signed URLs and
 * Authorization values are cut out of every message, wherever they come from.
 */
export function createLogger(level: string, stream: NodeJS.WriteStream = process.stderr): Logger {
  const options = { level, hooks: { streamWrite: redactLine } };
  if (!stream.isTTY) return pino({ ...options, timestamp: pino.stdTimeFunctions.isoTime }, stream);
  return pino(
    options,
    PinoPretty({
      destination: stream,
      sync: true,
      translateTime: 'SYS:HH:MM:ss',
      ignore: 'pid,hostname',
      colorize: stream.hasColors(),
    }),
  );
}

const pinoLevels: Record<LogLevel, 'trace' | 'debug' | 'info' | 'warn' | 'error'> = {
  TRACE: 'trace',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
};

/** Temporal's logger interface on top of ours, without the SDK's bulky metadata. */
export function temporalLogger(log: Logger): TemporalLogger {
  const write = (level: LogLevel, message: string, meta?: LogMetadata) => {
    log[pinoLevels[level]](briefMetadata(meta), message);
  };
  return {
    log: write,
    trace: (message, meta) => write('TRACE', message, meta),
    debug: (message, meta) => write('DEBUG', message, meta),
    info: (message, meta) => write('INFO', message, meta),
    warn: (message, meta) => write('WARN', message, meta),
    error: (message, meta) => write('ERROR', message, meta),
  };
}

const noise = new Set([
  'namespace',
  'taskToken',
  'runId',
  'workflowType',
  'isLocal',
  'sdkComponent',
  'taskQueue',
  'activityId',
]);

function briefMetadata(meta: LogMetadata | undefined): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(meta ?? {})
      .filter(([key]) => !noise.has(key))
      .map(([key, value]) => [key, value instanceof Error ? value.message : value]),
  );
}
