#!/usr/bin/env node
import { runCli } from './cli.ts';
import { hasErrno } from '../contracts/errors.ts';
import { processTerminal } from './terminal.ts';

// `longhaul list | head` closes the pipe early; that is no error of ours.
process.stdout.on('error', (error) => {
  if (!hasErrno(error, 'EPIPE')) throw error;
  process.exit(0);
});

// The code is set, not forced, so that what was printed gets out.
process.exitCode = await runCli(process.argv.slice(2), processTerminal());
