import type { Subject } from "./factor.ts";

export type Channel = "email" | "sms";

/** What subjects are told about their factors. */
export const notices = [
  "factor_added",
  "factor_removed",
  "factors_reset",
  "factor_flagged",
  "blocked",
  "last_warning",
  "blocked_for_good",
] as const;
export type Notice = (typeof notices)[number];

interface Message {
  readonly subject: Subject;
  readonly channel: Channel;
  /** An e-mail address or a number in E.164. Personal: never logged by a transport. */
  readonly to: string;
}

export interface CodeMessage extends Message {
  /** Decimal digits. */
  readonly code: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export interface NoticeMessage extends Message {
  readonly notice: Notice;
}

/**
 * The port that codes and notices leave by. A transport resolves once it has taken the message, and rejects when it has not;
 * words and languages are its own business.
 */
export interface CodeSender {
  sendCode(message: CodeMessage): Promise<void>;
  sendNotice(message: NoticeMessage): Promise<void>;
}

/** A transport that has nobody to hand messages to. Codes are refused as `code_not_sent`; notices stay in the audit log. */
export const noCodeSender: CodeSender = {
  sendCode: () => Promise.reject(new Error("no transport for codes is configured")),
  sendNotice: () => Promise.resolve(),
};

/** The transport of development: whoever reads the log has the codes, so it must never be used where money is real. */
export function consoleCodeSender(write: (line: Readonly<Record<string, unknown>>) => void): CodeSender {
  return {
    async sendCode({ subject, channel, code }) {
      write({ channel: "codes", via: channel, subject_id: subject.id, code });
    },
    async sendNotice({ subject, channel, notice }) {
      write({ channel: "codes", via: channel, subject_id: subject.id, notice });
    },
  };
}
