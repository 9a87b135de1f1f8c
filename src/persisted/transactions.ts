/**
 * @module
 * The user's own transactions and `deleteAll`, made to take the fields along.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { snapshot } from "../core/values/snapshot.ts";
import { followImports } from "../storage/import-notice.ts";
import { methodOf, replaceOn, type Replaced } from "../storage/storage-state.ts";

/** The fields of one object, as far as transactions see them. */
export interface Written {
  /** Writes what changed; throws if that fails, or an earlier write did since `failure` was the last. */
  write(failure?: Error | null): void;
  /** Goes back to what is stored. */
  forget(): void;
  /** A transaction begins. The function that is returned ends it. */
  begun(): (isCommitted: boolean) => void;
  /** The last write that failed, also one that nobody waited for. */
  readonly failure: Error | null;
}

/** The transactions begun within the one that the running code belongs to, as long as they are open. */
const within = new AsyncLocalStorage<Set<Promise<unknown>>>();

/**
 * Replaces `transaction`, `transactionSync` and `deleteAll` of one object's storage by own properties.
 *
 * Pending changes of fields are written before the transaction, and changes made inside it are written within it. After
 * a rollback, `deleteAll` or an import, fields are read again when they are next used. Returns a function that restores
 * the storage's own methods.
 */
export function joinTransactions(storage: DurableObjectStorage, fields: Written): () => void {
  const native: Replaced<"transaction" | "transactionSync" | "deleteAll"> = {
    transaction: methodOf(storage, "transaction"),
    transactionSync: methodOf(storage, "transactionSync"),
    deleteAll: methodOf(storage, "deleteAll"),
  };

  const transactionSync = <T>(work: () => T): T => {
    fields.write();
    const { failure } = fields;
    const end = fields.begun();
    try {
      const done = native.transactionSync(() => {
        const result = work();
        fields.write(failure);
        return result;
      });
      end(true);
      return done;
    } catch (error) {
      // What was taken out in it has to be known until then.
      fields.forget();
      end(false);
      throw error;
    }
  };

  const transaction = <T>(work: (transaction: DurableObjectTransaction) => Promise<T>): Promise<T> => {
    const outer = within.getStore();
    const done = transact(work);
    const leave = (): void => void outer?.delete(done);
    outer?.add(done);
    done.then(leave, leave);
    return done;
  };

  const transact = async <T>(work: (transaction: DurableObjectTransaction) => Promise<T>): Promise<T> => {
    fields.write();
    // A write that fails in a microtask tells its entry only, and the rest must not be kept.
    const { failure } = fields;
    const inner = new Set<Promise<unknown>>();
    let end: ((isCommitted: boolean) => void) | undefined;
    try {
      const done = await native.transaction(async (txn) => {
        // Not before: until here other code of the object may write, outside of this one.
        const ends = fields.begun();
        end = ends;
        takeTrackedKeys(txn);
        const rollback = txn.rollback.bind(txn);
        txn.rollback = () => {
          rollback();
          fields.forget();
          ends(false);
        };
        let result: T;
        try {
          result = await within.run(inner, () => work(txn));
        } finally {
          // The platform ends this one when its inner ones have ended, and tells its result before.
          while (inner.size > 0) await Promise.allSettled(inner);
        }
        fields.write(failure);
        return result;
      });
      end!(true);
      return done;
    } catch (error) {
      fields.forget();
      end?.(false);
      throw error;
    }
  };

  const deleteAll = async (options?: DurableObjectPutOptions): Promise<void> => {
    // Pending changes are deleted with the rest: they are written now, so that nothing is left to write later.
    fields.write();
    const deleted = native.deleteAll(options);
    fields.forget();
    await deleted;
  };

  const unfollow = followImports(storage, () => fields.forget());
  const restore = replaceOn(storage, { transaction, transactionSync, deleteAll });
  const restoreKeys = takeTrackedKeys(storage);
  return () => {
    unfollow();
    restoreKeys();
    restore();
  };
}

/** Lets `get` and `delete` take a tracked array of keys: native code reads a Proxy as a single key, the text "a,b". */
function takeTrackedKeys(storage: Pick<DurableObjectStorage, "get" | "delete">): () => void {
  const plain = (name: "get" | "delete"): never => {
    const method = methodOf(storage as DurableObjectStorage, name) as (keys: unknown, options?: object) => unknown;
    return ((keys: unknown, options?: object) => method(snapshot(keys), options)) as never;
  };
  return replaceOn(storage as DurableObjectStorage, { get: plain("get"), delete: plain("delete") });
}
