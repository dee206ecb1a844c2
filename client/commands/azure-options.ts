import { Option, type Command } from 'commander';
import type { z } from 'zod';
import type { StepIo } from '../../activities/host/step-io.ts';
import type { SourceDeps } from '../../activities/sources/source.ts';
import { azureClouds } from '../../contracts/azure-clouds.ts';
import { LonghaulError } from '../../contracts/errors.ts';
import type { AzureLogin } from '../../contracts/spec.ts';
import { resolveAzureAccess } from '../options.ts';
import type { Terminal } from '../terminal.ts';
import { untilInterrupt } from './context.ts';

/** Options of commands that ask Azure from here, with the login of whoever types. */
export interface LoginFlags {
  tenant?: string;
  client?: string;
  secret?: string;
  certificate?: string;
  managedIdentity?: boolean;
  azCli?: boolean;
}

export function addLoginOptions(command: Command): Command {
  return command
    .addOption(new Option('--cloud <name>', 'which Azure').choices(azureClouds).default('public'))
    .option('--tenant <id>', 'tenant of the login')
    .option('--client <id>', 'client id of a service principal or a managed identity')
    .option('--secret <reference>', 'secret of the service principal: env:NAME, file:/PATH')
    .option('--certificate <reference>', 'its certificate and key in one PEM file')
    .option('--managed-identity', 'log in as the machine this runs on')
    .option('--az-cli', 'log in as whoever used "az login"');
}

export async function loginOf(flags: LoginFlags): Promise<AzureLogin | undefined> {
  const { tenant, client, secret, certificate, managedIdentity, azCli } = flags;
  const given = { tenant, client, secret, certificate, managedIdentity, ...(azCli ? { cli: true } : {}) };
  const login = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  if (Object.keys(login).length === 0) return undefined;
  const { azureLogin } = await import('../../contracts/spec-sources.ts');
  return parsed(
    azureLogin,
    login,
    'the options of the login do not make one',
    'Give --tenant and --client with either --secret or --certificate, by reference (env:NAME, file:/PATH); or --managed-identity, perhaps with --client; or --az-cli, perhaps with --tenant.',
  );
}

export async function subscriptionOf(text: string): Promise<string> {
  const { guid } = await import('../../contracts/spec-sources.ts');
  return parsed(
    guid,
    text,
    `"${text}" is not the id of a subscription`,
    'Give an id like 01234567-89ab-cdef-0123-456789abcdef; "az account list" shows them.',
  );
}

export interface AzureAccess {
  deps: Pick<SourceDeps, 'azure' | 'resolveSecret'>;
  io: StepIo;
}

/** What a connection to Azure needs of this process: an interrupt ends it, and it speaks on standard error. */
export async function azureAccess(terminal: Terminal): Promise<AzureAccess> {
  const { createSecretResolver } = await import('../../activities/host/secrets.ts');
  const { azure, secrets } = await resolveAzureAccess();
  const said = (_facts: object, message: string) => terminal.note(message);
  const silent = () => undefined;
  return {
    deps: { azure, resolveSecret: createSecretResolver(secrets) },
    io: {
      signal: untilInterrupt(),
      report: silent,
      log: { debug: silent, info: said, warn: said, error: said },
    },
  };
}

function parsed<T extends z.ZodType>(schema: T, value: unknown, found: string, remedy: string): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new LonghaulError('OPTION_INVALID', { found, remedy });
}
