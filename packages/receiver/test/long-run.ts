/** `npm run test:all`: every suite of clients on both databases, and properties with many more cases than for one change. */
export const isLongRun = process.env['WATCHBELL_TEST_ALL'] === '1'
