import { invariant } from "#kernel/assert.ts";
import type { Condition, Item, Key, Write } from "../port.ts";
import { type TableDefinition, type TableName, tableDefinition } from "../tables.ts";
import { assertItemBytes, jsonBytes } from "../validate-commit.ts";
import { type Attributes, storedBytes, toAttributes } from "./attributes.ts";

/** DynamoDB's own limits: 400 KB an item, 4 MB a transaction. */
const ITEM_BYTES = 400 * 1024;
const TRANSACTION_BYTES = 4 * 1024 * 1024;

/** The attributes of a primary key. */
export function keyAttributes(definition: TableDefinition, key: Key): Attributes {
  if (definition.range === undefined) return { [definition.hash]: { S: key.hash } };
  invariant(key.range !== undefined, "a key lacks its range");
  return { [definition.hash]: { S: key.hash }, [definition.range]: { S: key.range } };
}

/**
 * The writes as `TransactItems` in JSON text, in their order.
 * @throws InvariantError when an item or all of them are larger than DynamoDB takes.
 */
export function toTransactItems(writes: readonly Write[], physical: (table: string) => string, itemBytes: number): string[] {
  let totalAtMost = 0;
  const texts = writes.map((write) => {
    const definition = tableDefinition(write.table);
    const name = physical(write.table);
    if (write.op !== "put") {
      const action = write.op === "check" ? "ConditionCheck" : "Delete";
      return actionText(action, name, "Key", JSON.stringify(keyAttributes(definition, write.key)), definition, write.condition);
    }
    const attributes = toAttributes(write.item);
    const text = JSON.stringify(attributes);
    totalAtMost += bytesAtMost(text);
    if (bytesAtMost(text) > itemBytes) assertItemFits(write.table, write.item, attributes, itemBytes);
    return actionText("Put", name, "Item", text, definition, write.condition);
  });
  if (totalAtMost > TRANSACTION_BYTES) assertTransactionFits(writes);
  return texts;
}

/** The wire text of an item is longer than anything it is measured by, and a UTF-16 unit takes at most 3 bytes. */
function bytesAtMost(wireText: string): number {
  return wireText.length * 3;
}

function assertItemFits(table: TableName, item: Item, attributes: Attributes, itemBytes: number): void {
  assertItemBytes(table, jsonBytes(item), itemBytes);
  const bytes = storedBytes(attributes);
  invariant(bytes <= ITEM_BYTES, `${table}: an item of ${bytes} bytes as DynamoDB counts, the most is ${ITEM_BYTES}`);
}

function assertTransactionFits(writes: readonly Write[]): void {
  const total = writes.reduce((sum, write) => sum + (write.op === "put" ? storedBytes(toAttributes(write.item)) : 0), 0);
  invariant(total <= TRANSACTION_BYTES, `a commit of ${total} bytes, the most is ${TRANSACTION_BYTES}`);
}

function actionText(
  action: "Put" | "Delete" | "ConditionCheck",
  table: string,
  subject: "Item" | "Key",
  subjectText: string,
  definition: TableDefinition,
  condition: Condition,
): string {
  return `{"${action}":{"TableName":"${table}","${subject}":${subjectText}${conditionText(definition, condition)}}}`;
}

/** Attribute names go through placeholders because some (`partition`) are reserved words. */
export function conditionText(definition: TableDefinition, condition: Condition): string {
  if (condition === "none") return "";
  if (condition === "absent") {
    return `,"ConditionExpression":"attribute_not_exists(#h)","ExpressionAttributeNames":{"#h":"${definition.hash}"}`;
  }
  return `,"ConditionExpression":"#v = :v","ExpressionAttributeNames":{"#v":"version"},"ExpressionAttributeValues":{":v":{"N":"${condition.version}"}}`;
}
