/**
 * @module
 * The user's own transactions and `deleteAll`, made to take the fields along.
 */

/** The fields of one object, as far as transactions see them. */
export interface Written {
  /** Writes what changed; throws if that fails. */
  write(): void;
  /** Goes back to what is stored. */
  forget(): void;
}

/**
 * Replaces `transaction`, `transactionSync` and `deleteAll` of one object's storage by own properties.
 *
 * What the fields have to write is written before and, for changes made inside, within the transaction;
 * after a rollback or `deleteAll` everything is read again when it is used again.
 */
export function joinTransactions(storage: DurableObjectStorage, fields: Written): void {
  const { transaction, transactionSync, deleteAll } = storage;

  storage.transactionSync = <T>(work: () => T): T => {
    fields.write();
    try {
      return transactionSync.call(storage, () => {
        const result = work();
        fields.write();
        return result;
      }) as T;
    } catch (error) {
      fields.forget();
      throw error;
    }
  };

  storage.transaction = async <T>(work: (transaction: DurableObjectTransaction) => Promise<T>): Promise<T> => {
    fields.write();
    try {
      return (await transaction.call(storage, async (txn) => {
        const rollback = txn.rollback.bind(txn);
        txn.rollback = () => {
          rollback();
          fields.forget();
        };
        const result = await work(txn);
        fields.write();
        return result;
      })) as T;
    } catch (error) {
      fields.forget();
      throw error;
    }
  };

  storage.deleteAll = (options) => {
    // What is pending goes with the rest: written now, so that nothing is left to write later.
    fields.write();
    const deleted = deleteAll.call(storage, options);
    fields.forget();
    return deleted;
  };
}
