/**
 * A number that rises with every exclusive or write grant of one name. Hand it to the resource that the lock
 * protects, which refuses a lower one (Kleppmann, "How to do distributed locking", 2016). `null` where a hold has
 * none. Narrowed to `bigint` by every factory whose backend declares `fencing: true`.
 */
export type FencingToken = bigint | null;
