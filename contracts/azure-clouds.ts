/** The clouds of Azure that are known by name. */
export const azureClouds = ['public', 'china', 'us-government'] as const;

export type AzureCloud = (typeof azureClouds)[number];
