// The library, as far as the page uses it.
declare const Chart: any;
