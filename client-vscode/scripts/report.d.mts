export function reportFiles(): Promise<Record<string, string>>;
export function committedFile(name: string): string;
