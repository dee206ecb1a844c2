import { findTemporalBinary } from './embedded/temporal-binary.ts';
import { startEmbeddedServer, type EmbeddedServer } from './embedded/embedded-server.ts';
import { createLogger, type Logger } from './logging.ts';
import type { WorkerOptions } from './options.ts';
import { startWorker, type RunningWorker } from './run-worker.ts';
