import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** Forbids importing from the named folders, types excepted where `allowTypes`. */
const forbid = (folders, message, allowTypes = false) => [
  'error',
  { patterns: [{ regex: `(^|/)(${folders.join('|')})/`, message, allowTypeImports: allowTypes }] },
];

const folderRule = (folder, rule, ignores = []) => ({
  files: [`${folder}/**/*.ts`],
  ignores,
  rules: { '@typescript-eslint/no-restricted-imports': rule },
});

const environment = {
  selector: 'MemberExpression[object.name="process"][property.name="env"]',
  message: 'Only workers/options.ts and client/options.ts read the environment.',
};

const stateOfModules = {
  selector: ':matches(Program, Program > ExportNamedDeclaration) > VariableDeclaration[kind!="const"]',
  message: 'One copy of this module serves all workflows of a worker: state belongs into a class.',
};

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'coverage/', 'docs/api/'] },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['eslint.config.js'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/only-throw-error': 'off',
      'max-lines': ['error', { max: 400 }],
      'no-restricted-syntax': ['error', environment],
      'no-console': 'error',
    },
  },
  // Imports point one way: client, workers -> workflows, activities -> contracts.
  folderRule(
    'contracts',
    forbid(['client', 'workers', 'workflows', 'activities', 'tests'], 'contracts/ stands on nothing else'),
  ),
  folderRule(
    'workflows',
    forbid(
      ['client', 'workers', 'activities', 'tests'],
      'workflows/ may import types of activities only',
      true,
    ),
  ),
  folderRule(
    'activities',
    forbid(['client', 'workers', 'workflows', 'tests'], 'activities/ stand on contracts/ only'),
  ),
  {
    files: ['workflows/**/*.ts', 'contracts/**/*.ts'],
    // No workflow imports it.
    ignores: ['contracts/spec-schema.ts'],
    rules: { 'no-restricted-syntax': ['error', environment, stateOfModules] },
  },
  folderRule('workers', forbid(['client', 'tests'], 'workers/ must not know the client')),
  folderRule('client', forbid(['tests'], 'the product must not import its tests')),
  {
    files: ['workers/options.ts', 'client/options.ts', 'tests/**', 'scripts/**', 'vitest.config.ts'],
    rules: { 'no-restricted-syntax': 'off' },
  },
  { files: ['tests/**', 'scripts/**'], rules: { 'no-console': 'off' } },
  { files: ['**/*.js', '**/*.mjs'], extends: [tseslint.configs.disableTypeChecked] },
);
