export const DOCS_SECURITY_POLICY = ''
export function docsPage(_version: string): string {
  return ''
}
